"""Redis as the place where the replicas of a fleet keep what they share."""
