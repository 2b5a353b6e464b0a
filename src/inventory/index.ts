// What the inventory offers to the rooms above it.

export { bindVars, unknownVars } from './bind.ts'
export { type Connection, type ConnectionDefaults, connectionNames, connectionOf } from './connection.ts'
export type { Host } from './host.ts'
export { loadInventory } from './load.ts'
export { selectHosts } from './pattern.ts'
export { sorted, unique } from './problems.ts'
