from osteoflow.figures.flow import count_flow
def cohort_flow(statuses, table):
    pass
