"""What every layer stands on: ids, errors, limits, timers, bounded containers, events and effects. Pure."""
