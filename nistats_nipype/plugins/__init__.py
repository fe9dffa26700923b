"""Execution plugins that can be trusted; they import nipype and ``exceptions`` only."""
