// The formats of --output: those that each reporter has, and variants that some commands add.

export const REPORTS = ['text', 'json', 'junit', 'github'] as const
export const DOCUMENTS = ['text', 'json'] as const
