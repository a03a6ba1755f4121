"""Events of colliders."""
