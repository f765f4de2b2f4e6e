"""Pure computations: frames and arrays in, frames and arrays out. Nothing here reads or writes the world."""
