// Who holds a session, in the form in which the store keeps it.
import type { NodeId } from '@pychat/protocol'

/** "<node>/<generation>". A place that nobody holds is "-". */
export type Owner = string

export function ownerOf(node: NodeId, generation: number): Owner {
  return `${node}/${generation}`
}

export function nodeOf(owner: Owner): NodeId {
  return owner.slice(0, owner.indexOf('/')) as NodeId
}
