"""Evidence about the network: the network map and the data flow."""
