"""OsteoFlow: bone quality from routine CT and MRI, from DICOM to manuscript figures."""

__version__ = "0.1.0"
