"""The stack's configuration: schema, validation, frozen settings, tiers and resource names."""
