// What the inventory offers to the rooms above it.

export { type AgeKeys, ageOpener } from './age.ts'
export { BoundBefore, bindVars, unknownVars } from './bind.ts'
export {
  type Connection,
  type ConnectionDefaults,
  connectionNames,
  connectionOf,
  connectionVariables,
  PRIVATE_KEY_VARIABLES,
  userFault,
} from './connection.ts'
export type { Decrypt } from './decrypt.ts'
export { graphLines } from './graph.ts'
export { type Host, maskedValue, secretsIn } from './host.ts'
export { metaAt } from './issues.ts'
export { clusterProblems } from './k3s-ansible.ts'
export { type Inventory, loadInventory } from './load.ts'
export { selectHosts } from './pattern.ts'
export { grouped, type HostProblems, sorted, unique } from './problems.ts'
export { type VaultPassword, vaultOpener } from './vault.ts'
