"""Importing this lets a test of this folder import the harness beside the folder."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
