"""The pages that jobs leave in the lake look alike: one HTML file each, light and dark, with nothing to load."""
