"""Folders on this machine or in a bucket, and copies of what is in a bucket on this disk."""
