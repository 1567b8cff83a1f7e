"""Both ends of one wire: engine servers, and the client that calls them."""
