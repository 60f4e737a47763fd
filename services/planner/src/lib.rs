//! Intake, admission, plan tasks, dispatch and rescue.
