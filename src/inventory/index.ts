// What the inventory offers to the rooms above it.

export { type Bound, bindVars, unknownVars } from './bind.ts'
export { Connection, type ConnectionDefaults, connectionNames, connectionOf } from './connection.ts'
export type { Decrypt, Encrypted } from './decrypt.ts'
export type { Host, Shown } from './host.ts'
export { type Group, type Inventory, type InventoryOptions, loadInventory } from './load.ts'
export { type Selection, selectHosts } from './pattern.ts'
export { unique } from './problems.ts'
