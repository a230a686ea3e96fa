"""Terms of the field in plain words; shown on hover and listed at the end of the page."""

GLOSSARY = {
    "IC": "Information coefficient: correlation between a score and the return that followed. 0 is no skill; "
    "0.02 to 0.10 is what good signals on single bars usually show.",
    "rank IC": "The IC computed on ranks, so that a few huge returns do not decide it.",
    "MCC": "Matthews correlation coefficient: agreement of called and true classes, corrected for class sizes. "
    "0 is what guessing earns, 1 is perfect.",
    "balanced accuracy": "Mean of the hit rates of the classes, so that always calling the largest class earns only "
    "one third with three classes.",
    "log loss": "Mean penalty for the probabilities given to what happened; lower is better. Confident "
    "errors cost most.",
    "ROC": "Curve of hits against false alarms as the threshold moves; the area under it (AUC) is 0.5 without skill.",
    "R²": "Share of the variance of returns that a forecast explains; below 0 it does worse than its reference.",
    "Sharpe": "Annual mean return after costs divided by its annual volatility.",
    "Sortino": "Like the Sharpe ratio, but only losses count as risk.",
    "drawdown": "Distance of the equity from its highest value so far.",
    "turnover": "Share of the capital traded; every unit of it pays fees and slippage.",
    "exposure": "Mean size of the positions held, long plus short, as a share of the capital.",
    "timing Sharpe": "What is left of the Sharpe ratio once the drift of what is held is taken out: being always long "
    "earns none.",
    "Calmar": "Annual return divided by the size of the deepest drawdown (Young 1991).",
    "always flat": "The book that never trades: it earns nothing and pays nothing.",
    "buy and hold": "The book that buys every entity at the start and holds it to the end.",
    "bootstrap band": "Where equity could have been at each time had blocks of the same bars come in another order "
    "(Politis and Romano 1994); it holds for one time, not for the whole path.",
    "impact": "What a trade moves the price against itself; by the square-root law it grows with the root of its share "
    "of the volume.",
    "borrow": "What is paid for holding a short position, apart from funding.",
    "break-even": "Cost of a unit of turnover, one way, at which a book ends where it began.",
    "capacity": "Capital at which the impact of its own trades takes all that a book earns.",
    "random entries": "The positions of a book, moved in time together: as much, as long and to the same side, without "
    "its timing.",
    "profit factor": "Sum of gains divided by the sum of losses; 1 is break-even.",
    "baseline": "A forecast that needs no learning (class prior, zero, drift, last sign, a linear model). A model is "
    "worth its place only where it beats the baselines.",
    "volatility skill": "Knowing how large the next move will be, not which way it goes. It improves accuracy and log "
    "loss, but earns nothing by itself and is never evidence for a direction.",
    "volatility-only": "The same model with its probabilities of up and down made equal: it keeps what it knows about "
    "the size of moves and forgets the direction.",
    "directional accuracy": "Share of calls on the right side. Tradable: over all rows called LONG or SHORT. "
    "On moves: over rows that also moved, which nobody knows beforehand.",
    "coverage": "Share of rows on which the model made a call at all; of prediction intervals the share of outcomes "
    "that lie inside.",
    "horizon": "Number of bars between entering and leaving the position a label describes.",
    "label end": "Time at which the return of a label is known; a row may train a model only if this lies before the "
    "test part begins.",
    "purge": "Removing training rows whose label reaches into the test part, so that no answer leaks.",
    "embargo": "An extra gap left before a test part, for memory that labels do not show.",
    "fold": "One step of the walk-forward: train on the past, predict the next stretch of time.",
    "walk-forward": "Validation as it would have been lived: each fold trains on all earlier data and predicts what "
    "comes next.",
    "block bootstrap": "Intervals from resampling whole stretches of time with all entities in them, because "
    "neighbouring rows are not independent.",
    "leak": "A number in a row that nobody could know at its time. Results built on one cannot be repeated live.",
    "circular shift": "Moving a series in time, the end that falls off put in front: it keeps its rhythm and loses "
    "every link to the features, so it shows what chance looks like.",
    "consensus rank": "Mean of the ranks that several methods give to a feature; 1 would be the best by all of them.",
    "stability": "How much the choices of the folds agree beyond chance (Nogueira, Sechidis and Brown 2018).",
    "fit scope": "The rows that anything fitted has seen; they must all lie before the rows it is judged on.",
    "replay": "Computing the newest rows again from what was known at each of their times, as a live system would.",
    "warm-up": "Bars of history that a feature needs before its value means what its definition says.",
    "survivorship": "Looking only at what still exists today: the failures are missing, so the past looks too good.",
    "interval": "Range of values compatible with the data. If it contains the baseline, the difference may be luck.",
    "effective rows": "Number of independent observations the rows are worth, after overlap of labels and entities "
    "moving together.",
    "HAC": "Standard errors that stay right when neighbouring observations are correlated (Newey-West).",
    "class prior": "Always predicts the class shares seen in training.",
    "slippage": "Cost of not trading at the mid price: half the spread by default.",
    "funding": "Periodic payment between the long and short side of a perpetual future.",
    "ensemble": "One answer made of those of several models.",
    "stacking": "An ensemble whose weights are learned from the models' out-of-sample answers.",
    "soft voting": "An ensemble that averages probabilities, with weights fixed beforehand.",
    "meta-label": "Whether a call of a first model was right; a second model learns it and holds back calls that are "
    "probably wrong (Lopez de Prado 2018).",
    "out of sample": "On rows that nothing which is judged there had seen.",
    "calibration": "Whether probabilities mean what they say: what is given 40 % should come in 40 of 100 cases.",
    "ECE": "Expected calibration error: mean distance between the probability given and the share that came true. "
    "Even perfect probabilities show some, so it is held against what chance gives.",
    "Brier score": "Mean squared distance of the probabilities from what happened; 0 is perfect, lower is better.",
    "prediction interval": "Range that should hold the outcome with the stated probability.",
    "conformal interval": "A prediction interval whose width comes from past errors, so that it needs no assumption "
    "about how errors are distributed; an adaptive one follows a changing market (Gibbs and Candès 2021).",
    "SHAP": "Splits one answer of a model into what each feature added to it; the parts add up to the answer "
    "(Lundberg and Lee 2017).",
    "trial": "One set of parameters that the search tried.",
    "pruned": "Given up early, because it did worse than most trials at the same point.",
    "patience": "Number of trials without a better one after which the search stops.",
    "profile": "How much a run does: quick leaves out slow models and searches little, full does everything.",
    "trivial": "A level that a naive forecast reaches as well; reaching it proves nothing.",
    "PSR": "Probabilistic Sharpe ratio: the probability that the true Sharpe ratio is above zero, given the length of "
    "the record and how skewed and heavy-tailed its returns are (Bailey and Lopez de Prado 2012).",
    "DSR": "Deflated Sharpe ratio: the same, but above what the best of everything ever tried would show by luck alone "
    "(Bailey and Lopez de Prado 2014).",
    "PBO": "Probability of backtest overfitting: how often what is best on one half of the time is below the middle on "
    "the other; without skill about one half (Bailey and others 2017).",
    "configuration": "One way to trade that had an out-of-sample result: model, parameters, rules. Running it again is "
    "no new one.",
    "confidence set": "The models that cannot be told from the best one at the stated level; the best is inside with "
    "that probability (Hansen, Lunde and Nason 2011).",
    "SPA": "Test whether the best of several models beats the reference, with all of them counted (Hansen 2005).",
    "StepM": "Which of several models beat the reference, with all tests counted (Romano and Wolf 2005).",
    "Diebold-Mariano": "Test whether two forecasts have the same mean loss (Diebold and Mariano 1995).",
    "Pesaran-Timmermann": "Test whether calls have the right sign more often than calls as one-sided as these would "
    "without skill (Pesaran and Timmermann 1992).",
    "loss": "What a forecast is fined for each row; here minus the score times the return that followed, so that the "
    "mean loss is minus the IC.",
    "seed": "Starting point of the random numbers of a fit; another one gives another model of the same recipe.",
    "regime": "A stretch of time of one kind, such as calm or wild, by what was known then.",
    "trend": "Sign and size of the return of the bars before the decision, in three classes.",
    "null check": "The whole pipeline run where there is nothing to find, to see how often it claims to have found "
    "something.",
    "power": "How often the rules say evidence where there is a signal of a stated size.",
    "family-wise": "Counted over everything that is tested together: at most so many reports in which anything false "
    "is claimed.",
    "episode": "A stretch of time in which a score is active, far enough from the next to be independent of it.",
}
