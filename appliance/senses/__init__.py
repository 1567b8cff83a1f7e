"""One module a sense: it checks, asks the chain of engines, and says honestly who answered."""
