"""HTTP/1.1 on both sides of the proxy: our own protocols over llhttp and libuv."""
