//! Section tasks: the prompt, the call, the gates.
