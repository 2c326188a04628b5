package accounts

// PendingKey is that of what a session has no use for.
const PendingKey = pendingKey
