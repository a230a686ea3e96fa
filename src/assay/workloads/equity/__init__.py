"""Daily direction of US stock indices, from twenty years of real data that come with a dependency."""
