"""The table of operations and one file of handlers for each family, named with Amazon's words."""
