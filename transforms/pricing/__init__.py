"""Fair values: parity forwards, Black-76 prices and Greeks, implied vols, smiles, variance strips."""
