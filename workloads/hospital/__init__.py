"""The component that gives one hospital all of it."""
