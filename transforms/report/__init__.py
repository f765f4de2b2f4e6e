"""What the nightly page and `alvh explain` show, computed from the night's published rows: documents and figures."""
