"""Extended phase graph of a multi-echo spin-echo (CPMG) train."""

from __future__ import annotations

import numpy as np


def cpmg_train(
    t2: np.ndarray | float,
    t1: np.ndarray | float,
    echo_spacing: float,
    n_echoes: int,
    refocusing_angle: np.ndarray | float = 180.0,
    excitation_angle: np.ndarray | float = 90.0,
    b1: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Amplitudes of all echoes of an excitation followed by equally spaced refocusing pulses.

    Stimulated and higher echoes are included through every pathway that reaches an echo. The
    excitation is about the axis at right angles to that of the refocusing pulses (CPMG
    condition), and crushers or the readout dephase the spins by whole turns across a voxel
    between two pulses. Longitudinal magnetisation that the excitation leaves, or that recovers
    later, forms no signal at the echoes: it takes part in odd numbers of half spacings only.

    Parameters
    ----------
    t2, t1
        Relaxation times in ms, positive; they, `b1` and the excitation angle broadcast together
        to shape (...).
    echo_spacing
        ms; the first echo comes at this time.
    n_echoes
        Number of echoes, at least one.
    refocusing_angle
        Nominal angle of the refocusing pulses in degrees: one number for all, or an array whose
        last axis holds the n_echoes pulses and whose leading ones broadcast to (...).
    excitation_angle
        Nominal angle of the excitation in degrees.
    b1
        Factor by which the true angles exceed the nominal ones, of both kinds of pulse alike.

    Returns
    -------
    ndarray
        float64, shape (..., n_echoes): transverse magnetisation at the echoes in units of the
        equilibrium magnetisation.

    Raises
    ------
    ValueError
        Relaxation times or spacing that are not positive, no echo, or a number of refocusing
        angles that is not that of the echoes.

    References
    ----------
    Hennig J, J Magn Reson 1988;78:397-407 and Concepts Magn Reson 1991;3:125-143 (the method);
    Weigel M, J Magn Reson Imaging 2015;41:266-295 (the rotation of configuration states).
    """
    nominal = np.asarray(refocusing_angle, dtype=float)
    if nominal.ndim and nominal.shape[-1] != n_echoes:
        raise ValueError(f"refocusing angles of shape {nominal.shape} for {n_echoes} echoes")
    pulses = np.moveaxis(np.atleast_1d(nominal), -1, 0)
    t2, t1, excitation, b1, _ = np.broadcast_arrays(
        *(np.asarray(x, dtype=float) for x in (t2, t1, excitation_angle, b1)), pulses[0]
    )
    if n_echoes < 1 or not echo_spacing > 0:
        raise ValueError(f"{n_echoes} echoes, {echo_spacing} ms apart, are no train")
    if not ((t2 > 0).all() and (t1 > 0).all()):
        raise ValueError("relaxation times must be positive")

    half = np.exp(-0.5 * echo_spacing / t2)
    transverse, longitudinal = half**2, np.exp(-echo_spacing / t1)
    # The states just before a pulse are dephased by odd numbers of half spacings: row j holds
    # 2j + 1. All are real with the excitation along y and the refocusing along x, if the
    # longitudinal states are counted in units of i.
    shape = (n_echoes + 1, *t2.shape)
    dephasing, rephasing, stored = (np.zeros(shape) for _ in range(3))
    dephasing[0] = np.sin(np.deg2rad(excitation) * b1) * half
    train = np.empty((n_echoes, *t2.shape))
    for echo in range(n_echoes):
        angle = np.deg2rad(pulses[echo if nominal.ndim else 0]) * b1
        cosine, sine = np.cos(angle), np.sin(angle)
        kept, turned = 0.5 * (1 + cosine), 0.5 * (1 - cosine)
        # higher states are still empty, or cannot be rephased before the train ends
        rows = slice(0, min(echo, n_echoes - 1 - echo) + 1)
        f, g, z = dephasing[rows], rephasing[rows], stored[rows]
        f_after = kept * f + turned * g + sine * z
        g_after = turned * f + kept * g - sine * z
        stored[rows] = longitudinal * (cosine * z + 0.5 * sine * (g - f))
        train[echo] = g_after[0] * half
        # one spacing later every state has moved by one row; the lowest passes the echo
        dephasing[1 : rows.stop + 1] = transverse * f_after
        dephasing[0] = transverse * g_after[0]
        rephasing[: rows.stop - 1] = transverse * g_after[1:]
        rephasing[rows.stop - 1] = 0
    return np.moveaxis(train, 0, -1)
