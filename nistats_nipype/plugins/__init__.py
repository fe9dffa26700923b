"""Execution plugins of nipype that can be trusted; they import nipype only."""
