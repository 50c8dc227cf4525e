"""One run from its command line to its results, put together from the packages below."""
