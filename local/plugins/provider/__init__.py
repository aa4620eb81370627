"""What the resource plugins share: the gRPC face, property values, differences, tables of resource types."""
