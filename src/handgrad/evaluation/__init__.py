"""What came out: how often a network is right, where it is wrong, and whether it knows."""
