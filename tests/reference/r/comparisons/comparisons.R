# Reference values of osteoflow.statistics (comparisons, correlations): run with `Rscript comparisons.R`.
# Makes comparisons.tsv (a synthetic table, fixed seed) and comparisons_output.tsv. Base R alone; what base R
# lacks (Dunn, Games-Howell, partial correlation) is written out from its formula.
set.seed(20240612)
n <- 48
d <- data.frame(
  grade = sample(c("a", "b", "c"), n, TRUE, c(0.3, 0.4, 0.3)),
  sex = sample(c("F", "M"), n, TRUE),
  site = sample(c("A", "B", "C"), n, TRUE),
  age = round(rnorm(n, 66, 9)),
  bmi = round(rnorm(n, 26, 4), 1)
)
k <- as.integer(factor(d$grade))
d$vbmd <- round(150 - 0.9 * d$age - 9 * k + 8 * (d$sex == "M") + rnorm(n, 0, 8 * k), 1)
d$pdff <- round(60 - 0.2 * d$vbmd + 0.15 * d$age + rnorm(n, 0, 4))
d$pdff[c(3, 17)] <- NA
d$fracture <- as.integer(runif(n) < c(0.2, 0.4, 0.7)[k])
write.table(d, "comparisons.tsv", sep = "\t", row.names = FALSE, quote = FALSE, na = "")
d <- read.delim("comparisons.tsv", na.strings = "")

out <- data.frame()
add <- function(what, term, value)
  out <<- rbind(out, data.frame(what, term, value = sprintf("%.15g", value)))
g <- factor(d$grade)

w <- oneway.test(vbmd ~ g, d, var.equal = FALSE)
add("welch_anova", "F", w$statistic); add("welch_anova", "df", w$parameter[2])
add("welch_anova", "p", w$p.value)

t <- TukeyHSD(aov(vbmd ~ g, d))$g
for (row in rownames(t)) for (col in colnames(t)) add("tukey", paste(row, col), t[row, col])

m <- tapply(d$vbmd, g, mean); v <- tapply(d$vbmd, g, var); s <- table(g)
pairs <- combn(levels(g), 2)
for (p in seq_len(ncol(pairs))) {
  i <- pairs[1, p]; j <- pairs[2, p]
  a <- v[i] / s[i]; b <- v[j] / s[j]
  se <- sqrt((a + b) / 2)
  df <- (a + b)^2 / (a^2 / (s[i] - 1) + b^2 / (s[j] - 1))
  q <- (m[i] - m[j]) / se
  name <- paste0(i, "-", j)
  add("games_howell", paste(name, "p"), ptukey(abs(q), nlevels(g), df, lower.tail = FALSE))
  add("games_howell", paste(name, "low"), m[i] - m[j] - qtukey(0.95, nlevels(g), df) * se)
}

x <- d$pdff[!is.na(d$pdff)]; h <- g[!is.na(d$pdff)]
r <- rank(x); N <- length(x); ties <- table(x)
sigma <- N * (N + 1) / 12 - sum(ties^3 - ties) / (12 * (N - 1))
z <- apply(pairs, 2, function(p)
  (mean(r[h == p[1]]) - mean(r[h == p[2]])) / sqrt(sigma * (1 / sum(h == p[1]) + 1 / sum(h == p[2]))))
adjusted <- p.adjust(2 * pnorm(-abs(z)), "holm")
for (p in seq_len(ncol(pairs))) {
  add("dunn", paste0(pairs[1, p], "-", pairs[2, p], " z"), z[p])
  add("dunn", paste0(pairs[1, p], "-", pairs[2, p], " p"), adjusted[p])
}

f <- fisher.test(table(d$sex, d$fracture))
add("fisher", "p", f$p.value); add("fisher", "or", f$estimate)
add("fisher", "low", f$conf.int[1]); add("fisher", "high", f$conf.int[2])
add("fisher_large", "p", fisher.test(table(d$grade, d$site))$p.value)
c2 <- chisq.test(table(d$grade, d$site), correct = FALSE)
add("chi2", "statistic", c2$statistic); add("chi2", "p", c2$p.value)
add("chi2", "v", sqrt(c2$statistic / (n * 2)))

partial <- function(x, y, z, method) {
  ok <- complete.cases(x, y, z)
  M <- model.matrix(~ ., data.frame(z[ok, , drop = FALSE]))[, -1, drop = FALSE]
  all <- cbind(x[ok], y[ok], M)
  if (method == "spearman") all <- apply(all, 2, rank)
  P <- solve(cor(all))
  r <- -P[1, 2] / sqrt(P[1, 1] * P[2, 2])
  k <- ncol(M); N <- sum(ok); df <- N - 2 - k
  se <- sqrt(if (method == "spearman") (1 + r^2 / 2) / (N - k - 3) else 1 / (N - k - 3))
  c(r = r, p = 2 * pt(-abs(r * sqrt(df / (1 - r^2))), df), low = tanh(atanh(r) - qnorm(0.975) * se),
    high = tanh(atanh(r) + qnorm(0.975) * se), n = N)
}
for (method in c("pearson", "spearman")) {
  got <- partial(d$pdff, d$vbmd, d[c("age", "bmi", "site")], method)
  for (name in names(got)) add(paste0("partial_", method), name, got[name])
}
ct <- cor.test(d$pdff, d$vbmd)
add("pearson", "r", ct$estimate); add("pearson", "p", ct$p.value)
add("pearson", "low", ct$conf.int[1]); add("pearson", "high", ct$conf.int[2])
# The same by regression: the p value of y given x and the covariates is that of the correlation.
reg <- summary(lm(vbmd ~ pdff + age + bmi + site, d))$coefficients
add("regression", "p", reg["pdff", 4])
add("mann_whitney", "p", wilcox.test(vbmd ~ sex, d, exact = FALSE)$p.value)
write.table(out, "comparisons_output.tsv", sep = "\t", row.names = FALSE, quote = FALSE)
