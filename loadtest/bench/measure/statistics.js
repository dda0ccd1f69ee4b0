// Medians and quartiles of ratios.

/** Linear interpolation between order statistics. @param fraction 0..1 */
export function quantile(values, fraction) {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * fraction
  const low = sorted[Math.floor(at)]
  return low + (sorted[Math.ceil(at)] - low) * (at - Math.floor(at))
}

export function summary(values) {
  return {
    median: quantile(values, 0.5),
    quartiles: [quantile(values, 0.25), quantile(values, 0.75)],
    rounds: values.length,
  }
}

/**
 * Ratio of one system's figures to another's, round by round.
 * @param rounds a list of { [system]: figure }
 */
export function ratios(rounds, system, to) {
  return summary(rounds.map((round) => round[system] / round[to]))
}
