"""What a person writes about a design, to what the statistics read."""
