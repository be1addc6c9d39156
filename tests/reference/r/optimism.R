# Optimism bootstrap on given resamples: rms::validate; .632+ from its definition.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "common.R"))
suppressMessages(library(rms))
d <- clinical_table()
drawn <- as.matrix(table_of("resamples"))

# rms::validate draws its resamples with sample() and stops lrm.fit early; here it takes the rows
# given, and its fits converge.
turn <- 0
sample <- function(x, ...) { turn <<- turn + 1; drawn[turn, ] }
given_rows <- new.env(parent = asNamespace("rms"))
given_rows$sample <- sample
resample <- rms::predab.resample
environment(resample) <- given_rows
fit_to_the_end <- rms::lrm.fit
formals(fit_to_the_end)$eps <- 1e-12
formals(fit_to_the_end)$maxit <- 100
assignInNamespace("predab.resample", resample, "rms")
assignInNamespace("lrm.fit", fit_to_the_end, "rms")
m <- lrm(fracture ~ age + sex + grade + vbmd + rad_score, data = d, x = TRUE, y = TRUE,
         eps = 1e-12, maxit = 100)
v <- unclass(validate(m, B = nrow(drawn), maxit = 100))
stopifnot(turn == nrow(drawn))
for (name in c("Dxy", "Slope", "B"))
  put(paste0("validate_", name), v[name, c("index.orig", "training", "test", "optimism",
                                           "index.corrected", "n")])

# Calibration in the large, and .632+ of area and Brier score.
exact <- glm.control(epsilon = 1e-14, maxit = 100)
area <- function(y, p) somers2(p, y)[["C"]]
fit_on <- function(rows) glm(fracture ~ age + sex + grade + vbmd + rad_score, binomial, d[rows, ],
                             control = exact)
y <- d$fracture
own <- fitted(fit_on(seq_len(nrow(d))))
large <- areas <- numeric()
squares <- times <- numeric(nrow(d))
for (i in seq_len(nrow(drawn))) {
  lp <- predict(fit_on(drawn[i, ]), d)
  p <- plogis(lp)
  large[i] <- coef(glm(y ~ offset(lp), family = binomial, control = exact))
  out <- setdiff(seq_len(nrow(d)), drawn[i, ])
  areas[i] <- area(y[out], p[out])
  squares[out] <- squares[out] + (y[out] - p[out])^2
  times[out] <- times[out] + 1
}
put("calibration_intercept_test", mean(large))
plus <- function(apparent, outside, chance) {
  outside <- min(outside, chance)
  r <- if (outside > apparent) (outside - apparent) / (chance - apparent) else 0
  w <- 0.632 / (1 - 0.368 * r)
  c(apparent, outside, chance, r, w, (1 - w) * apparent + w * outside)
}
put("plus632_auc_error", plus(1 - area(y, own), 1 - mean(areas), 0.5))
put("plus632_brier", plus(mean((y - own)^2), mean(squares[times > 0] / times[times > 0]),
                          mean(outer(y, own, function(a, b) (a - b)^2))))
finish(c("rms", "Hmisc"))
