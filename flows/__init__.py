"""Everything that touches the world: files, databases, the network, Prefect, the terminal."""
