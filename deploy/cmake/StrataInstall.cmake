# cmake --install: the bundle.
