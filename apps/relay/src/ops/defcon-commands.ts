// The admin commands about the emergency level (emergency/emergency.ts): shown and set for the whole cluster.
import {
  adminRoutes,
  type DefconReply,
  type DefconRequest,
  defconForMsMax,
  defconForMsMin,
  defconRequestSchema,
} from '@pychat/protocol'
import { neverSet } from '../emergency/emergency.ts'
import type { AdminCommand, AdminContext } from './admin-context.ts'

/** How long a level that was set may take to reach the other nodes before it is said that it has not. */
const defconSpreadMs = 2500
const defconLookMs = 100

async function defcon({ cluster, emergency }: AdminContext): Promise<DefconReply> {
  const { level, setAt, until } = emergency.state()
  const { asked, answers } = await cluster.ask('node', null)
  const inForce = answers.filter(({ answer }) => answer.defcon === level).map(({ node }) => node)
  const time = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString())
  return {
    schema: 1,
    level,
    setAt: setAt === neverSet.setAt ? null : time(setAt),
    until: time(until),
    inForce: inForce.sort(),
    nodes: { asked, answered: answers.length },
  }
}

/** Sets it, and answers when all nodes that answer have it, or after a while with those that do. */
async function setDefcon(context: AdminContext, { level, forMs }: DefconRequest): Promise<DefconReply> {
  await context.emergency.set(level, forMs ?? null)
  const deadline = Date.now() + defconSpreadMs
  for (;;) {
    const reply = await defcon(context)
    if (reply.inForce.length === reply.nodes.answered || Date.now() > deadline) return reply
    await new Promise((resolve) => setTimeout(resolve, defconLookMs))
  }
}

export const defconCommands = {
  defcon: { ...adminRoutes.defcon, args: [], help: 'the emergency level, 5 (calm) to 1', run: defcon },
  setDefcon: {
    ...adminRoutes.setDefcon,
    args: ['LEVEL'],
    help: 'set the emergency level',
    request: {
      schema: defconRequestSchema,
      words: `The body has to be {"level":1..5}, and "forMs" of ${defconForMsMin} to ${defconForMsMax} if it is to end.`,
    },
    run: setDefcon,
  },
} as const satisfies Record<string, AdminCommand>
