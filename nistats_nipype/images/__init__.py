"""The file boundary: images and tables on disk to arrays, and back."""
