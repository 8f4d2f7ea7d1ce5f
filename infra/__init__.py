"""Where Tidewheel runs: the embedded platform, the router, images and charts."""
