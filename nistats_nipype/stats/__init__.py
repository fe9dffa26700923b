"""Statistics on arrays: no files, no images, no nipype."""
