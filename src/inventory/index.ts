// What the inventory offers to the rooms above it.

export { type AgeKeys, ageOpener } from './age.ts'
export { bindVars, unknownVars } from './bind.ts'
export { type Connection, type ConnectionDefaults, connectionNames, connectionOf } from './connection.ts'
export type { Decrypt } from './decrypt.ts'
export { reason } from './files.ts'
export type { Host } from './host.ts'
export { type Inventory, loadInventory } from './load.ts'
export { selectHosts } from './pattern.ts'
export { sorted, unique } from './problems.ts'
export { type VaultPassword, vaultOpener } from './vault.ts'
