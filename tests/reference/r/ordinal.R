# Ordered classes: polr and lrm, multinom, Brant's test by its formula, weighted kappa, Hand-Till.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "common.R"))
suppressMessages({
  library(rms)
  library(MASS)
  library(nnet)
  library(psych)
  library(pROC)
})
d <- table_of("graded")
d$y <- factor(d$grade, 0:2, c("low", "middle", "high"), ordered = TRUE)
form <- y ~ age + male + uneven

fit <- lrm(form, data = d, eps = 1e-12, tol = 1e-14, maxit = 100)
k <- 2
put("lrm_thresholds", -coef(fit)[1:k])
put("lrm_coefficients", coef(fit)[-(1:k)])
se <- sqrt(diag(vcov(fit)))
put("lrm_se_thresholds", se[1:k])
put("lrm_se_coefficients", se[-(1:k)])
put("lrm_loglik", -fit$deviance / 2)
put("lrm_probabilities", predict(fit, type = "fitted.ind"))
put("lrm_c", rcorr.cens(predict(fit), d$grade)[["C Index"]])
polr_fit <- polr(form, data = d, Hess = TRUE, control = list(reltol = 1e-14, maxit = 1000))
put("polr_thresholds", polr_fit$zeta)
put("polr_coefficients", coef(polr_fit))

many <- multinom(form, data = d, trace = FALSE, reltol = 1e-14, abstol = 1e-14, maxit = 1000)
statistic <- 2 * (as.numeric(logLik(many)) + fit$deviance[2] / 2)
put("multinomial", c(statistic, 3, pchisq(statistic, 3, lower.tail = FALSE)))

# Brant, Biometrics 1990;46:1171: binary models of each threshold and their joint covariance.
X <- model.matrix(form, d)
above <- lapply(1:k, function(cut) as.numeric(d$grade >= cut))
fits <- lapply(above, function(y) glm.fit(X, y, family = binomial(),
                                          control = list(epsilon = 1e-14, maxit = 100)))
p <- lapply(fits, function(f) f$fitted.values)
inverse <- lapply(p, function(q) solve(t(X) %*% (X * (q * (1 - q)))))
V <- matrix(0, 6, 6)
for (a in 1:k) for (b in 1:k) {
  w <- p[[max(a, b)]] - p[[a]] * p[[b]]
  block <- inverse[[a]] %*% t(X) %*% (X * w) %*% inverse[[b]]
  V[(a - 1) * 3 + 1:3, (b - 1) * 3 + 1:3] <- block[-1, -1]
}
beta <- unlist(lapply(fits, function(f) f$coefficients[-1]))
brant <- function(rows) {
  D <- matrix(0, length(rows), 6)
  for (i in seq_along(rows)) D[i, c(rows[i], 3 + rows[i])] <- c(1, -1)
  g <- D %*% beta
  x <- as.numeric(t(g) %*% solve(D %*% V %*% t(D)) %*% g)
  c(x, length(rows), pchisq(x, length(rows), lower.tail = FALSE))
}
put("brant", c(brant(1), brant(2), brant(3), brant(1:3)))

counts <- table(factor(d$grade, 0:2), factor(d$reading, 0:2))
put("kappa_quadratic", cohen.kappa(counts)$weighted.kappa)
linear <- 1 - abs(outer(1:3, 1:3, "-")) / 2
put("kappa_linear", cohen.kappa(counts, w = linear)$weighted.kappa)
# Variance of Fleiss, Cohen and Everitt, Psychol Bull 1969;72:323, formula 13.
fce <- function(counts, w) {
  n <- sum(counts)
  q <- counts / n
  r <- rowSums(q)
  s <- colSums(q)
  po <- sum(w * q)
  pe <- sum(w * outer(r, s))
  wr <- as.numeric(w %*% s)
  ws <- as.numeric(t(w) %*% r)
  inner <- w * (1 - pe) - outer(wr, ws, "+") * (1 - po)
  sqrt((sum(q * inner^2) - (po * pe - 2 * pe + po)^2) / (n * (1 - pe)^4))
}
put("kappa_quadratic_se", fce(counts, 1 - (outer(1:3, 1:3, "-") / 2)^2))
put("kappa_linear_se", fce(counts, linear))

prob <- predict(fit, type = "fitted.ind")
colnames(prob) <- levels(d$y)
plain <- factor(as.character(d$y))
put("hand_till", suppressMessages(multiclass.roc(plain, prob))$auc)
put("one_against_rest", sapply(levels(d$y), function(name)
  suppressMessages(auc(d$y == name, prob[, name], direction = "<"))))

# L1-penalised cumulative logits by a general search under bounds: b = plus - minus, both above 0.
f <- as.matrix(d[, grep("^f[0-9]", names(d))])
n <- nrow(f)
z <- scale(f) * sqrt(n / (n - 1))
y <- d$grade + 1
smooth <- function(theta, b) {
  eta <- as.numeric(z %*% b)
  edges <- c(-Inf, theta, Inf)
  upper <- plogis(edges[y + 1] - eta)
  lower <- plogis(edges[y] - eta)
  list(value = -mean(log(upper - lower)), eta = eta, upper = upper, lower = lower,
       edges = edges)
}
slopes <- function(theta, b) {
  s <- smooth(theta, b)
  du <- s$upper * (1 - s$upper)
  dl <- s$lower * (1 - s$lower)
  own <- s$upper - s$lower
  gt <- sapply(1:2, function(j) -mean(((y == j) * du - (y == j + 1) * dl) / own))
  gb <- as.numeric(t(z) %*% ((du - dl) / own)) / n
  list(theta = gt, b = gb)
}
search <- function(lambda) {
  q <- ncol(z)
  unpack <- function(x) list(theta = c(x[1], x[1] + exp(x[2])), b = x[2 + 1:q] - x[2 + q + 1:q])
  objective <- function(x) {
    u <- unpack(x)
    smooth(u$theta, u$b)$value + lambda * sum(x[-(1:2)])
  }
  gradient <- function(x) {
    u <- unpack(x)
    g <- slopes(u$theta, u$b)
    c(sum(g$theta), g$theta[2] * exp(x[2]), g$b + lambda, -g$b + lambda)
  }
  start <- c(-0.5, log(1.5), rep(0.01, 2 * q))
  found <- nlminb(start, objective, gradient, lower = c(-Inf, -Inf, rep(0, 2 * q)),
                  control = list(rel.tol = 1e-15, x.tol = 1e-12, iter.max = 20000,
                                 eval.max = 40000))
  u <- unpack(found$par)
  c(u$b, u$theta, found$objective)
}
for (lambda in c(0.12, 0.05, 0.02)) put(paste0("lasso_", lambda), search(lambda))
finish(c("rms", "MASS", "nnet", "psych", "pROC", "Hmisc"))
