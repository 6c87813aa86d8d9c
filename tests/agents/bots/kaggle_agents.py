"""Agents for Kaggle's games as people write them there: unchanged files, their helpers around the function `agent`."""

N_STEP = """
def agent(obs, config):
    import random
    valid_moves = [c for c in range(config.columns) if obs.board[c] == 0]
    grid = np.asarray(obs.board).reshape(config.rows, config.columns)
    scores = dict(zip(valid_moves, [score_move(grid, col, obs.mark, config, N_STEPS) for col in valid_moves]))
    max_cols = [key for key in scores.keys() if scores[key] == max(scores.values())]
    return random.choice(max_cols)


import numpy as np

N_STEPS = 2


def drop_piece(grid, col, mark, config):
    next_grid = grid.copy()
    for row in range(config.rows - 1, -1, -1):
        if next_grid[row][col] == 0:
            break
    next_grid[row][col] = mark
    return next_grid


def windows(grid, config):
    for row in range(config.rows):
        for col in range(config.columns - (config.inarow - 1)):
            yield list(grid[row, col:col + config.inarow])
    for row in range(config.rows - (config.inarow - 1)):
        for col in range(config.columns):
            yield list(grid[row:row + config.inarow, col])
    for row in range(config.rows - (config.inarow - 1)):
        for col in range(config.columns - (config.inarow - 1)):
            yield list(grid[range(row, row + config.inarow), range(col, col + config.inarow)])
    for row in range(config.inarow - 1, config.rows):
        for col in range(config.columns - (config.inarow - 1)):
            yield list(grid[range(row, row - config.inarow, -1), range(col, col + config.inarow)])


def heuristic(grid, mark, config):
    score = 0
    for window in windows(grid, config):
        for pieces, weight in ((2, 1), (3, 10), (4, 100000)):
            if window.count(mark) == pieces and window.count(0) == config.inarow - pieces:
                score += weight
        if window.count(mark % 2 + 1) == 3 and window.count(0) == 1:
            score -= 100
        if window.count(mark % 2 + 1) == 4:
            score -= 10000
    return score


def score_move(grid, col, mark, config, nsteps):
    next_grid = drop_piece(grid, col, mark, config)
    return minimax(next_grid, nsteps - 1, False, mark, config)


def minimax(node, depth, maximizing, mark, config):
    valid = [c for c in range(config.columns) if node[0][c] == 0]
    value = heuristic(node, mark, config)
    if depth == 0 or not valid or abs(value) > 9000:
        return value
    if maximizing:
        return max(minimax(drop_piece(node, col, mark, config), depth - 1, False, mark, config) for col in valid)
    return min(minimax(drop_piece(node, col, mark % 2 + 1, config), depth - 1, True, mark, config) for col in valid)
"""
"""The lookahead of the tutorials: attribute access, numpy after the agent, helpers below it."""

BITBOARD = """
import time
from random import Random

dice = Random(7)
turns = 0   # of one episode: the file runs anew for each


def to_bits(board, mark, columns, rows):
    bits = 0
    for index, value in enumerate(board):
        if value == mark:
            row, column = divmod(index, columns)
            bits |= 1 << (column * (rows + 1) + rows - 1 - row)
    return bits


def won(bits, rows):
    for shift in (1, rows, rows + 1, rows + 2):
        pair = bits & (bits >> shift)
        if pair & (pair >> 2 * shift):
            return True
    return False


def my_agent(observation, configuration):
    global turns
    start = time.time()
    board, mark = observation["board"], observation["mark"]
    columns, rows = configuration["columns"], configuration["rows"]
    stones = sum(value != 0 for value in board)
    assert observation["step"] == stones
    assert stones // 2 == turns, (stones, turns)
    turns += 1
    free = [column for column in range(columns) if board[column] == 0]
    heights = [sum(board[row * columns + column] != 0 for row in range(rows)) for column in range(columns)]
    for who in (mark, 3 - mark):
        bits = to_bits(board, who, columns, rows)
        for column in free:
            if won(bits | 1 << (column * (rows + 1) + heights[column]), rows):
                return column
            if time.time() - start > configuration["actTimeout"] + observation["remainingOverageTime"]:
                return free[0]
    return dice.choice(free)
"""
"""Item access, bitboards, a clock, a global that counts the turns of one episode."""

ONE_ARGUMENT = """
class Game:
    def __init__(self, board):
        self.cells = [board[i:i + 7] for i in range(0, 42, 7)]

    def open(self):
        return [c for c in range(7) if self.cells[0][c] == 0]


def centre_first(columns):
    return sorted(columns, key=lambda c: abs(c - 3))


def agent(observation):
    game = Game(observation.board)
    assert observation.mark in (1, 2) and observation.get("mark") == observation.mark
    return centre_first(game.open())[0]


def helper_that_is_the_last_callable(x):
    return "not an action"
"""
"""Takes the observation alone; the last callable of the file is a helper."""

TIC_TAC_TOE = """
LINES = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]

def agent(observation, configuration):
    board = observation.board
    assert len(board) == 9 and configuration.steps == 10
    for who in (observation.mark, 3 - observation.mark):
        for line in LINES:
            cells = [board[i] for i in line]
            if cells.count(who) == 2 and cells.count(0) == 1:
                return line[cells.index(0)]
    return next(i for i in (4, 0, 2, 6, 8, 1, 3, 5, 7) if board[i] == 0)
"""

ROCK_PAPER_SCISSORS = '''
import numpy as np

history = []
score = 0

def agent(observation, configuration):
    """Beats what the opponent has shown most often."""
    global score
    if observation.step > 0:
        last = observation.lastOpponentAction
        score += (0, 1, -1)[(mine[-1] - last) % 3]
        assert observation.reward == score
        history.append(last)
    else:
        assert observation.lastOpponentAction is None and observation.reward == 0
        mine.clear()
    assert len(history) == observation.step < configuration.episodeSteps
    hand = (np.bincount(history or [0], minlength=configuration.signs).argmax() + 1) % configuration.signs
    mine.append(int(hand))
    return hand

mine = []
'''
