// The names of the roles, in the order in which they run; the roles themselves are loaded later.

export const roles = ['k3s_platform_bootstrap', 'k3s_platform_addon'] as const
