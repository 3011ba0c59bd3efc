//! The curve against another implementation of it and against published vectors: see `tests/`.
