"""The formulas (E1) to (E7) and (E16) as plain loops over samples i, units j and dimensions k."""

from math import exp, log, sqrt


def prototypes(params):
    """p_j = -b_j / w_j (E2)."""
    return [[-float(b) / float(w) for b in row] for w, row in zip(params.w, params.b)]


def forward(params, x):
    """z_ij = w_j x_i + b_j, h_ij = exp(-||z_ij||^2 / 2), f_i = sum_j v_j h_ij + c (E1)."""
    output, hidden = [], []
    for point in x:
        responses = []
        f = float(params.c)
        for w, b, v in zip(params.w, params.b, params.v):
            square = 0.0
            for k in range(len(point)):
                z = float(w) * float(point[k]) + float(b[k])
                square += z * z
            responses.append(exp(-square / 2))
            f += float(v) * responses[-1]
        output.append(f)
        hidden.append(responses)
    return output, hidden


def squared_distance(a, b):
    """||a - b||^2."""
    total = 0.0
    for k in range(len(a)):
        total += (float(a[k]) - float(b[k])) ** 2
    return total


def softmin(prototypes, x, temperature, offsets=None):
    """s_i = -tau log sum_j exp((g_j - ||x_i - p_j||^2) / tau) (E4), the least cost taken out."""
    units, dimensions = len(prototypes), len(x[0])
    values, nearest, distance = [], [], []
    gradient = [[0.0] * dimensions for _ in range(units)]
    for point in x:
        costs = []
        for j in range(units):
            offset = 0.0 if offsets is None else float(offsets[j])
            costs.append(squared_distance(point, prototypes[j]) - offset)
        least = min(costs)
        weights = [exp(-(cost - least) / temperature) for cost in costs]
        values.append(least - temperature * log(sum(weights)))
        nearest.append(costs.index(least))
        distance.append(sqrt(squared_distance(point, prototypes[nearest[-1]])))
        for j in range(units):
            a = weights[j] / sum(weights)
            for k in range(dimensions):
                pull = a * (float(prototypes[j][k]) - float(point[k]))
                gradient[j][k] += 2 / len(x) * pull
    return values, gradient, nearest, distance


def coverage(prototypes, x, temperature):
    """(1/N) sum_i s_i (E4)."""
    values, gradient, _, _ = softmin(prototypes, x, temperature)
    return sum(values) / len(x), gradient


def separation(prototypes, temperature):
    """2/(M(M-1)) sum_{j<k} exp(-||p_j - p_k||^2 / tau) (E5); 0 where M = 1."""
    units, dimensions = len(prototypes), len(prototypes[0])
    value, gradient = 0.0, [[0.0] * dimensions for _ in range(units)]
    for j in range(units):
        for k in range(j + 1, units):
            p, q = prototypes[j], prototypes[k]
            near = 2 / (units * (units - 1)) * exp(-squared_distance(p, q) / temperature)
            value += near
            for i in range(dimensions):
                push = 2 / temperature * near * (float(p[i]) - float(q[i]))
                gradient[j][i] -= push
                gradient[k][i] += push
    return value, gradient


def overlap(hidden):
    """2/(M(M-1)) sum_{j<k} (1/N) sum_i h_ij h_ik (E6); 0 where M = 1."""
    samples, units = len(hidden), len(hidden[0])
    value, gradient = 0.0, [[0.0] * units for _ in range(samples)]
    for i in range(samples):
        for j in range(units):
            for k in range(j + 1, units):
                scale = 2 / (units * (units - 1)) / samples
                value += scale * float(hidden[i][j]) * float(hidden[i][k])
                gradient[i][j] += scale * float(hidden[i][k])
                gradient[i][k] += scale * float(hidden[i][j])
    return value, gradient


def fit(output, y):
    """(1/N) sum_i (f_i - y_i)^2 (E3)."""
    residual = [float(f) - float(target) for f, target in zip(output, y)]
    return sum(r * r for r in residual) / len(y), [2 / len(y) * r for r in residual]


def objective(params, x, y, coefficients, temperatures):
    """fit + lambda_c coverage + lambda_s separation + lambda_o overlap (E7), without gradient."""
    output, hidden = forward(params, x)
    p = prototypes(params)
    terms = {"fit": fit(output, y)[0],
             "coverage": coverage(p, x, temperatures["coverage"])[0],
             "separation": separation(p, temperatures["separation"])[0],
             "overlap": overlap(hidden)[0]}
    value = terms["fit"]
    for name, weight in coefficients.items():
        value += weight * terms[name]
    return value, terms


def sinkhorn(prototypes, x, temperature, offsets=None, iterations=1):
    """(E16): both softmins in turn, and the plan pi_ij = exp((f_i + g_j - D_ij) / tau) / (N M)."""
    samples, units, dimensions = len(x), len(prototypes), len(x[0])
    following = [0.0] * units if offsets is None else [float(g) for g in offsets]
    for _ in range(iterations):
        g = following
        f = [s + temperature * log(units) for s in softmin(prototypes, x, temperature, g)[0]]
        following = [s + temperature * log(samples) for s in softmin(x, prototypes, temperature, f)[0]]
    value = sum(f) / samples + sum(g) / units
    gradient, error = [[0.0] * dimensions for _ in range(units)], 0.0
    for j in range(units):
        received = 0.0
        for i in range(samples):
            cost = squared_distance(x[i], prototypes[j])
            pi = exp((f[i] + g[j] - cost) / temperature) / (samples * units)
            received += pi
            for k in range(dimensions):
                gradient[j][k] += 2 * pi * (float(prototypes[j][k]) - float(x[i][k]))
        error += abs(received - 1 / units)
    return value, gradient, following, error
