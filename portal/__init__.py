"""Where people work (门户): enter a fact once, review, trace; pages in Chinese over the verbs of `onefact`."""
