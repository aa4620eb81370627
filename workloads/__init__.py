"""What stands on the ground: zones, pods, pipelines, model servers, and the component that is one hospital."""
