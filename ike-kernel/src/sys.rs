//! The only unsafe code: system calls that nix and rustix do not offer.
