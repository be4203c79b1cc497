"""The States Language itself: model, rules, data flow, interpreter. No I/O, no clock."""
