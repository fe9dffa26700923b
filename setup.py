"""Shim for tools that still call ``setup.py``; the metadata are in ``setup.cfg``."""

from setuptools import setup

setup()
