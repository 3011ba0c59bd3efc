//! Traefik, replayed.
