"""Offers: exact legs, size, price and cost of what the rules may call for tonight (METHOD sections 6 to 8)."""
