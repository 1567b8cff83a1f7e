"""One module an engine, found by name: the folder is the registry. Each defines `def engine(card) -> ...`."""
